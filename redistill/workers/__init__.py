"""Several processes over one arena: starting, watching, configuring and replacing them."""
