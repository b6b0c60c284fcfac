"""The page's part alone: web/aspect.js puts buttons under the size."""
