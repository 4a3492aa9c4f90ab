"""Networks of the papers and of MONAI; each answers with logits and the maps prototypes are taken from."""
