"""What tests share: albums, fakes, faults, kills, pictures."""
