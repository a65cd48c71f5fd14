"""What items come from: a row of operators begins here, and none belongs here."""
