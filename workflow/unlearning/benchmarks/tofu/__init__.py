"""TOFU (arXiv 2401.06121): fictitious authors, forget quality, model utility; its miniature."""
