"""What limits and requirements are worth."""
