"""CustomResourceDefinitions: their life, and the objects they define."""
