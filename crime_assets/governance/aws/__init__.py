"""The policy on AWS: who reads what there (`readers`), the Terraform that makes it so (`terraform`, with the IAM
documents of `documents`), and what has drifted from it since (`drift`).

Nothing here writes to AWS: Terraform does, when a person runs it.
"""
