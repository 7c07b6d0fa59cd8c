"""The dashboard behind a login: each person sees what the policy lets them see, and it is on the trail."""
