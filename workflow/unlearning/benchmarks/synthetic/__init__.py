"""The papers' synthetic experiments: Gaussian-logistic unlearning, mixtures of Markov chains."""
