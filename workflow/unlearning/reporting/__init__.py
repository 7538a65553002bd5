"""Tables, figures, claims and the report page. Reads evaluations, never a model."""
