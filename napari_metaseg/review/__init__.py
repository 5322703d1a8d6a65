"""Review of a study in the window: its scans one after another, judged and corrected."""
