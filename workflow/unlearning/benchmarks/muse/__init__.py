"""MUSE (arXiv 2407.06460): texts, VerbMem, KnowMem and PrivLeak; and its miniature."""
