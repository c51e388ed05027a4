"""Plans made again."""
