"""acl: consumers pass by their groups."""
