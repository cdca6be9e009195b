"""openid-connect: callers are known by tokens that an OpenID provider has signed."""
