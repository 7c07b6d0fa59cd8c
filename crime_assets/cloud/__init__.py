"""What belongs to a cloud account: clients, what its errors mean, its one region, notices."""
