"""What a finished session is: its typed records, the one writer of them and the one reader."""
