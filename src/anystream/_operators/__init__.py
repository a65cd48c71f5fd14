"""The operators, one family a module; `Stream` gives each of them its method."""
