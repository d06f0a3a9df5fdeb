"""What only a browser shows, in Debian's chromium."""
