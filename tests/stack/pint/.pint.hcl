# All of pint's own checks that need no server. Exceptions are in the rules themselves, with their reason.
parser {
  schema = "prometheus"
}
