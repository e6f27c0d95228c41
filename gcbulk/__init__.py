"""Text parents in bulk: a DataFrame in, the same rows out with a MessageId or an error code each."""
