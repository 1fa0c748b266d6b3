"""What an interrupted training goes on from: its settings, the files on disk, their writer, and requests to stop."""
