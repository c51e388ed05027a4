"""Money in time, against arithmetic done by hand."""
