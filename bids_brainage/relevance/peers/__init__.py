"""Independent ways to the same maps: every rule written plainly, and innvestigate."""
