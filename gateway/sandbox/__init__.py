"""An embedded RESO Web API server with synthetic listings: for the demo and for tests, never a product.

It shares the parser with the gateway, so it proves nothing about parsing: proof comes from servers nobody here wrote.
"""
