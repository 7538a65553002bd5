"""WMDP (arXiv 2403.03218): hazardous documents, accuracies on harness tasks; and its miniature."""
