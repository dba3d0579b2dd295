"""The way to the existing server: one client whose requests are printed from trees and whose headers are constants."""
