"""Python source text as data: what each definition does, tells the user and refers to. No torch."""
