"""Message texts: merge fields filled in from the recipients' columns, and the SMS parts a text takes."""
