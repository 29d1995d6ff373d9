from tests.frameworks.js.run import main

main()
