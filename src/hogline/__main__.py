from hogline.cli import main

main()
