"""Files and what they mean: scans, label maps, protocols, tables. No torch."""
