"""Bills that came, beside the plan."""
