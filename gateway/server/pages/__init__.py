"""The pages by which operators act: tills, maintenance, tokens; see README.md."""
