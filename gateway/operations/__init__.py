"""The operations of tills and operators on TSEs, independent of the protocol that asks for them."""
