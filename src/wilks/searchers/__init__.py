"""Global searches as ask/tell algorithms."""
