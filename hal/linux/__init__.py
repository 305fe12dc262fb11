"""Backends over the kernel's character devices; each library is imported when first used."""
