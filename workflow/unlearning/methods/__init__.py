"""Unlearning losses: tensors in, one value per row out. `registry` names them."""
