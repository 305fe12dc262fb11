"""Guest SDKs, example apps, and the tool that makes and builds apps."""
