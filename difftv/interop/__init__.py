"""Calls with the interfaces of other libraries, one library a file; each is imported only where it is used."""
