"""Pictures of mixtures and of learning, by matplotlib, in scikit-learn's Display convention."""
