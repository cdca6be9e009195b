"""ldap-auth: a directory vouches for a username and a password."""
