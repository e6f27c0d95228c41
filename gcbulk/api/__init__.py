"""The wire: message objects to JSON, one method a call, answers to outcomes. No pandas here."""
