"""Semi-supervised methods, one file each; see method.py for the contract they fulfil."""
