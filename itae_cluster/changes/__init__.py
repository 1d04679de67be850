"""What happens to files: plans carried out, results amended, changes undone, all journalled."""
