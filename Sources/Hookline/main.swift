import ArgumentParser
import Configuration
import Hummingbird
import JWTKit
print("stub")
