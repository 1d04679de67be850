"""What preview and figures draw with: colours, letters, a sheet, and where things go on it."""
