"""Requests and answers as they cross the connection: what is asked, in which form, and in which form it is answered."""
