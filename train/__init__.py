"""The scripts that train, publish and verify: `python -m train --help`."""
