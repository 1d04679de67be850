"""What a result folder says: its plan, manifest, journal, inventory, names and centres."""
