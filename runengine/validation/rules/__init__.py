"""The rules as code: each module one family, made from the core's tables. Their texts are in the catalogue."""
